"""Amazon Bedrock for airouter."""
