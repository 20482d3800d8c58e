"""The application in two slots: start it, prove that it answers, lead customers to it, stop the old one."""
