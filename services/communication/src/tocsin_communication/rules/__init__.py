"""What responders want and what they can bear: personal rules, quiet hours, limits, delegation."""
