"""agent/isolation"""
