"""Collections that are drawn by rule, told in words and parsed back exactly."""
