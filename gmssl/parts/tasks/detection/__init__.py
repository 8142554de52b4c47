"""Detection: boxes of named classes, found by Faster R-CNN and scored as COCO scores them."""
