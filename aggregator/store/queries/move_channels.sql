UPDATE store.channels SET seen_news = $upto WHERE seen_news < $upto;
