"""Networks for classification, one file a family."""
