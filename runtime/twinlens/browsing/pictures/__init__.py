"""Pictures made for the eye: thumbnails and views."""
