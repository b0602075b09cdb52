"""The simulated city: streets, demand and riders that keep a demo or a test alive."""
