"""Makes unit images: scan, crops, deconvs and preferred images into the store."""
