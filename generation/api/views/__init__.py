"""Views authorise, read the input, make one domain call and answer."""
