"""The report of a comparison: one HTML file that opens offline, and the table that a paper would print."""

from lwdna_core.compare.report.write import (
    FORMATS,
    comparison_folders,
    render,
    study_folders,
    update_comparison,
    write_report,
    write_study,
)

__all__ = [
    "FORMATS",
    "comparison_folders",
    "render",
    "study_folders",
    "update_comparison",
    "write_report",
    "write_study",
]
