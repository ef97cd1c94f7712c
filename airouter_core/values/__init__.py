"""What is said: messages, tools, requests, events, answers. Frozen values that know no provider and no wire."""
