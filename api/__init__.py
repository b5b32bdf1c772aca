"""The HTTP API: authenticates, authorises, translates, publishes and answers. It imports no worker and no driver."""
