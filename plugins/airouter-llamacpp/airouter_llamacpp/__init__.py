"""The llama.cpp provider of airouter."""
