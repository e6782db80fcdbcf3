"""Components and local deployments, as the component aws.greengrass.Cli serves them."""
