"""A checkpoint for other programs: ONNX files and a web page, the hub and its Spaces."""
