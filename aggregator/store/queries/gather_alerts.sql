/* which: gathered */;
