"""llama.cpp's programs: found, asked what they can do, started, and never left behind."""
