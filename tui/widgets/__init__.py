"""Line-drawn widgets: each formats rows of text and repaints only those that changed."""
