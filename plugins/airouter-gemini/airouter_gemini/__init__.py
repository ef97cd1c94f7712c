"""The Gemini provider of airouter."""
