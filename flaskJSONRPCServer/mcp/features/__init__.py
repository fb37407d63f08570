"""What a client finds at an endpoint: tools, resources, prompts, and completion."""
