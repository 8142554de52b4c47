"""DICOM: files to series, series to volumes in the order of space, pixels to the values of the scanner."""
