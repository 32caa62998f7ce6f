"""The machinery of a service: everything that is not business."""
