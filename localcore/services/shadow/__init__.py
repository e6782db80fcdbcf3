"""Device shadows, as the component aws.greengrass.ShadowManager serves them on the device."""
