"""model_training"""
