"""Training of segmentation ensembles: split, augmentation, losses, the loop, metrics, recipes."""
