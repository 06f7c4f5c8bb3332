"""The worker thread: frames and requests in, snapshots out."""
