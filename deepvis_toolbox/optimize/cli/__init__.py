"""The command that makes preferred images."""
