-- What would have made an alert's verdict benign, as JSON.
ALTER TABLE store.alerts ADD COLUMN counterfactual VARCHAR DEFAULT '[]';
