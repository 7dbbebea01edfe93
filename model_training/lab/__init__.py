"""model_training/lab"""
