"""Secrets, as the component aws.greengrass.SecretManager serves them."""
