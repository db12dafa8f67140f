"""Salesforce: change data capture over the Pub/Sub API, write-back and reads over REST."""
