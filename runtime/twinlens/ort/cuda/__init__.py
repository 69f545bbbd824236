"""What running on CUDA needs: the choices, the libraries, the driver, the memory."""
