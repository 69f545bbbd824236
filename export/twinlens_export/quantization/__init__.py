"""int8 chosen by measurement: activation statistics, smoothing, and blocks kept in float32."""
