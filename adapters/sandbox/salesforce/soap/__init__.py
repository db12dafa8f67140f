"""The SOAP API (partner WSDL): signing in, and the record calls that REST has no word for."""
