"""Messages to and from AWS IoT Core."""
