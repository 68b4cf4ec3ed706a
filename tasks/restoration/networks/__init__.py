"""Networks for restoration, one file a family. Images are in [0, 1]; all of them take any size of image."""
