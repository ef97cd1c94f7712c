"""OpenTelemetry for airouter."""
