DELETE FROM store.enrolments
WHERE organization = $organization AND id = $enrolment_id
RETURNING id;
