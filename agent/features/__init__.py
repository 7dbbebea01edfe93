"""agent/features"""
