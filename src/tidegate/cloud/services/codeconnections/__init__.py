"""CodeConnections: connections to who else keeps repositories, and the local copies of these."""
