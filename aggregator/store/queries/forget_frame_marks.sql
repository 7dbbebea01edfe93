DELETE FROM store.frame_marks WHERE updated_ns < $before_ns;
