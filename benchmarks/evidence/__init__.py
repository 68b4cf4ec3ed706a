"""The evidence for and against the heterogeneity hypothesis: comparisons, run as far as the time allows, and a page."""
