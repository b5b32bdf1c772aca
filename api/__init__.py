"""The HTTP API: authenticates, authorises, translates, publishes and answers. It knows no worker and no driver."""
