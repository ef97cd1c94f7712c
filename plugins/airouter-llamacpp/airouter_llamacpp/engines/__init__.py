"""What holds a loaded model and answers over HTTP: inside this process, or a server beside it."""
