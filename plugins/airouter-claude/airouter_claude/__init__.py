"""The Claude provider of airouter."""
