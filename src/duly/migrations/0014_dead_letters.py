from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('duly', '0011_api_keys'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='occurrence',
            index=models.Index(condition=models.Q(('status', 'dead')), fields=['due_at'], name='duly_occurrence_dead'),
        ),
    ]
