"""The features of an endpoint: tools, resources, prompts, and completion."""
