"""Readers of archives: pictures, DICOM, volumes, slides."""
