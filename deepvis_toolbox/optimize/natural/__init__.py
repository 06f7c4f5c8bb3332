"""What photographs say of units: their top ones, what preferred images have in common with these, starts from them."""
