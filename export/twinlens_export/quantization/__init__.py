"""int8 chosen by measurement: activation statistics, smoothing, and blocks that stay in float32."""
