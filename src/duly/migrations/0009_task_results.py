from django.db import migrations, models

import duly.models.fields


class Migration(migrations.Migration):

    dependencies = [
        ('duly', '0008_gates_and_services'),
    ]

    operations = [
        migrations.CreateModel(
            name='TaskResult',
            fields=[
                ('event_id', models.UUIDField(primary_key=True, serialize=False)),
                ('return_value', duly.models.fields.PayloadField()),
                ('errors', models.JSONField(blank=True, default=list)),
                ('worker_ids', models.JSONField(blank=True, default=list)),
            ],
        ),
    ]
